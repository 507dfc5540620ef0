"""The only floor that imports Ray or MLflow."""
