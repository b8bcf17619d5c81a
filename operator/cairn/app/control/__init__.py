"""What people and programs ask of executions and checkpoints, whichever way in they take."""
