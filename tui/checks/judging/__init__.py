"""Running the checks: what changed is judged a little at a time, and verdicts become findings."""
