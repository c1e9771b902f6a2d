"""Features over their life: what each is worth, what is wrong with it, and whether to keep, ask its owner, or drop."""
