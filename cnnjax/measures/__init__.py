"""What is measured on a finished run, image by image: pure functions on the device.

It imports the rooms up to `data`; how the run was trained is unknown to it.
"""
