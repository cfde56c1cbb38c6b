"""The numeric engine: J v, Jᵀ w, J⁻¹ v, J⁻ᵀ w and log|det J| on the columns of a program."""
