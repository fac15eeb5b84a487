"""Large data in parts: encoding and batch prediction as indexes of one Job, joined with every part accounted for."""
