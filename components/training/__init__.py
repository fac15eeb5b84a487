"""How models learn: data, objective, loop, checkpoints, the tasks, several processes."""
