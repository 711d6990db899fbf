"""Loads a course, plans, runs and verifies it; knows no step and no screen."""
