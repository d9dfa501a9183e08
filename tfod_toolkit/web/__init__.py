"""HTTP: the prediction service, and the page on which anyone can try the detector."""
