"""Draw states of one end on the sphere of its spin: Husimi functions, spin Wigner functions, the tangent plane.

`directions` reads angles and works off grids of them; `husimi` and `wigner` take any state of one ensemble, `planar`
states near the equator; `ends` makes the state of the first end, conditional on a result at the last, and takes its
Husimi function; `banded` does so under dephasing at any number of atoms.

Conventions: θ is the polar angle from +S_z and φ the azimuth from +S_x. The coherent state |θ, φ⟩ has the amplitudes
√C(N,k) cos^k(θ/2) sin^(N-k)(θ/2) e^(-ikφ): its spin points to (sin θ cos φ, sin θ sin φ, cos θ), and the initial state
(10) is |π/2, 0⟩. All functions are normalized over the sphere, ∫ sin θ dθ dφ = 1.

Imports `jaxent.noise`, and the modules that it may import.
"""
