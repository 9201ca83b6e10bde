"""placeholder"""
def measure_vomsd(directory, *, requests):
    return "x"
