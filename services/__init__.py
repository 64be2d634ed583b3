"""Everything that does work. Nothing in here imports streamlit."""
