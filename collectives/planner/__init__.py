"""The planner: which program runs a collective of a size on a board. It knows no MPI and no communicator.

topology ─ findings ─▶ rings, trees, packings ─ candidates ─▶ families ─ search ─▶ Plan ─ certificate, planfile
           specification says which are allowed; placement, where ranks sit; cache, what was found before

`planning` is where to begin.
"""
