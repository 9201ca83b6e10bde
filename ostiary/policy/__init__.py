"""What may leave (release), what is believed (acceptance) and who may enter (access).

Pure decisions over compiled documents; each one names the rule that made it. Nothing here does I/O, except the
loaders in the ``*_document`` modules, which read a policy file once.
"""
