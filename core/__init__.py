"""The science of PEScape: data, force fields, fitting, surfaces, dynamics. No Qt, ever."""
