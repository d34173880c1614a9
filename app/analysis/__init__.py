"""What an analysis is: the answer expected of the model, counting words, adding up patterns."""
