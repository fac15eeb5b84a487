"""Light heads: convex classifiers on the features of views, fitted in seconds."""
