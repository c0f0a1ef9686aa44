"""Running a scenario: the engine, its preview, and the explanation of a round."""
