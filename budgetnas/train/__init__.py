"""The engine: training and measuring one model. It knows no study and prints nothing."""
