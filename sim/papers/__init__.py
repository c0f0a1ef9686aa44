"""The papers' tables: published figures beside simulated ones, and which of them were fitted."""
