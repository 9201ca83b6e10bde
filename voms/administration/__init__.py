"""Who may do what in a VO: permissions, callers, access-control lists, and the desk at which every change is asked for."""
