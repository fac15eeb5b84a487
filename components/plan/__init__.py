"""What a run will cost: its stages on samples of the data, carried to other sizes by lines.

A stage is a row of the run's step table; a step is one of the optimiser.
"""
