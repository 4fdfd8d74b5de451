"""What a spec may say of each technique: one file each."""
