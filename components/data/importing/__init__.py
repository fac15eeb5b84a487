"""Makes data sets of tables and of folders: one module for each question that arises."""
