print("paging " + env.configuration["to"])
