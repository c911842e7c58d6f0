"""A CUDA device that is not there: tensors say `cuda:0`, their numbers are computed on the CPU.

It raises where a real one would: where tensors of two devices meet in one operation, and where
work that is being captured makes the host wait. Graphs are recorded while they are captured and
done again when they are replayed, on the very same memory; what only lived in a graph's memory is
overwritten with NaN before each replay. What it can't show: speed, cuDNN's rounding, memory.

`installed` changes the whole process. `tests.pretended_cuda.process` has a process of its own for
it.
"""
