"""A report to share: charts as plain data, drawn for a browser and for a paper, on one page."""
