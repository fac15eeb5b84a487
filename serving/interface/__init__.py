"""What the service accepts and answers: the types that HTTP and what computes share."""
