"""Load on a running API: scenarios as data, driven open-loop by locust in processes of its own.

``scenarios``: the files; ``arrivals``: when what is sent; ``histogram``: times, exact to three digits;
``locustfile``: the program that locust runs; ``running``: starting it; ``verdicts``: what the figures say, or
that the client itself was the limit; ``limits``: the highest rate that holds; ``writing``: the result as a
file.
"""
