"""What each method is worth: experiments that can fail, on beds of known truth and on real sets."""
