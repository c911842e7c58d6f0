"""A study on disk: its folder, its study.toml, its storage, and what its trials mean."""
