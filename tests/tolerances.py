"""The one table of tolerances. Loosening one needs its reason beside it."""

FINITE_DIFFERENCE_FORCE = 1e-5  # eV/Å, central differences with h = 1e-4 Å in float64
INVARIANCE_ENERGY = 1e-8  # eV, translation/rotation/permutation
INVARIANCE_FORCE = 1e-7  # eV/Å
NET_FORCE = 1e-7  # eV/Å
NET_TORQUE = 1e-6  # eV
BATCH_EQUALS_SINGLE = 1e-9  # eV and eV/Å
HELD_DIHEDRAL = 1e-6  # rad, requested against measured
ANALYTIC_EQUALS_AUTOGRAD = 1e-9  # eV and eV/Å, a hand-written path against the derived one
GPU_EQUALS_CPU = 1e-9  # eV and eV/Å in float64: another order of summation
ORACLE_ENERGY = 1e-6  # eV, the same method computed by another program or on another day
ASE_UNITS = 2e-8  # relative: ASE's own units are CODATA 2014, ours 2018
RELAXED_AGAINST_ASE = 1e-4  # eV, relaxed energy against ASE's FixInternals + BFGS, same field
FINITE_DIFFERENCE_HESSIAN = 1e-3  # eV/Å² of some 50: forces differ in their cubic term, h = 1e-4 Å
SUPERPOSED = 1e-9  # Å, frames laid on each other for the eye
PUBLISHED_FORCE_MAE = 0.03  # relative, force MAE against the sgdml package's own figures
EXAMPLE_AGAINST_RMD17 = 1.3  # force MAE there over that on own test frames; same level of theory
METHYL_SYMMETRY_DEGREE = 2.5  # measured psi of a symmetry copy; other hydrogens relax a little
DEFINITION = 1e-7  # eV and eV/Å, sGDML against double autograd of its kernel and a plain solve
MM_TERM = 1e-4  # kcal/mol, one term of GAFF against the numpy evaluation of the same prmtop
MM_FORCE = 1e-4  # kcal/mol/Å against OpenMM, with OpenMM's Coulomb constant
MM_SCAN = 3e-4  # kcal/mol: the reference scan held its dihedral by a finite restraint (1e-4 off)
NAGL_CHARGE = 1e-6  # e, the network in float32 against the openff-nagl package
NAGL_RMS = 0.02  # e, NAGL (trained on ELF10 averages) against one conformer's AM1-BCC
MM_EXPORT = 1e-5  # kcal/mol, any term of an exported field as the other program computes it
REFIT_RECOVERS = 1e-4  # eV, energies of terms fitted to data that such terms made
REFIT_NORMAL_EQUATIONS = 1e-5  # relative, RMSE from the normal equations against the field's own
OBENERGY_PRINTS = 6e-4  # kJ/mol, obenergy prints three decimals
SAME_ANGLE = 1e-8  # kcal/mol, impropers read from their other end: the same angle
