# %%
words="one two three"
# %%
set -- $words
echo "$#"
