"""Large data in parts: encoding and batch prediction as indexes of one Job, and their join."""
