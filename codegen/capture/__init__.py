"""A live nn.Module -> a spec of the network family, if its language has the words.

`look` runs in a process of its own, since it is the user's code: it traces the module and writes
its graph, its weights, and what it computes. All else reads these files.
"""
