"""The audit: is a dataset folder whole, is it what it says, does anything leak, can it be made again?"""
