"""The operator's console: static ES modules, no bundler, no internet.

Own modules live in static/; third-party JavaScript is put into static/vendor/ by
`python -m controller.console.vendor` and never enters git.
"""
