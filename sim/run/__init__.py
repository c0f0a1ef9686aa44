"""Running a scenario: the round loop, the preview, and the explanation of a round."""
