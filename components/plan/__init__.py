"""What a run will cost: rates measured on a sample, laws that carry them to other sizes, and which engine suits each stage."""
