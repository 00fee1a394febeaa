"""Operations: restart agents, flip hostns-only, resize maps; planned, guarded, verified, undone."""
