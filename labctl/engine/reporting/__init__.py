"""How far somebody got: looked up now, and as the learner's own journal tells it; as text, JSON, JUnit and HTML."""
