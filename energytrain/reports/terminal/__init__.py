"""What commands show on a terminal beside plain tables: one run, a suite, devices, a live view."""
