"""Answers by the words that question and passage share: the cheap method of question answering."""
