"""Finds copies of records: what makes two values copies, by kind, and candidates without N²."""
