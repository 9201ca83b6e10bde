"""What a person has said about what may be told about her: one store for the page that asks and for the Attribute Authority.

`choices` are the rules, `store` keeps them; importing the package loads neither.
"""
