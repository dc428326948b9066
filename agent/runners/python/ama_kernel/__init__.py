"""A stock ipykernel, led by the agent: statement by statement, with the user's own file and lines, and a journal of all that it says."""
