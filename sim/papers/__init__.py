"""The papers' tables: what is published beside what is simulated, and which figures were fitted."""
