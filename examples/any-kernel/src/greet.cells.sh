# %% a variable stays from cell to cell
name=$(uname -s)

# %%
echo "$greeting $name"
