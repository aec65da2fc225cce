"""What departments must correct: cases, disagreements, and their own files back to them."""
