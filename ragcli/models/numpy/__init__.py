"""The runtime of questions and of bulk work on a CPU: numpy alone, no torch."""
