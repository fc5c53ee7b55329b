"""Retraining: is the model in use still good enough, and is another one better?"""
