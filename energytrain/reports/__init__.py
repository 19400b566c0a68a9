"""Reports: run folders become tables. Reads run folders only and never imports torch."""
