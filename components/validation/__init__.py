"""Validation rules as pure functions, and the one module that speaks Great Expectations."""
