"""What the service keeps: tokens, answers, feedback and written records, in one database."""
