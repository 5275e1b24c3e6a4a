"""Files that somebody else may have written, and files kept between runs."""
