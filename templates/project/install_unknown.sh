# tgen was not installed from a git URL, so it is not known where to get it from (`tgen` on PyPI is
# another project). Replace these lines by one such as
#   python -m pip install "NAME @ git+https://github.com/OWNER/REPO@COMMIT"
echo "::error file=.github/workflows/tgen.yml::say where to install tgen from: the step 'Install tgen' says how"
exit 1
